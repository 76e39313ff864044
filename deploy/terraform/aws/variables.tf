variable "name" {
  type        = string
  description = "Name of the installation: of the cluster, and the beginning of every other name."
  default     = "aegis"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.name))
    error_message = "name has 3 to 25 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  type        = string
  description = "The region of everything but the second copy of the backups."
}

# Named rather than asked for: when AWS opens another zone, the first three of its list may be others, and each subnet
# with all that is in it would be made anew.
variable "zones" {
  type        = list(string)
  description = "Three zones of the region. The first one has the GPU with the minimum, the first two with the recommended sizes."

  validation {
    condition     = length(distinct(var.zones)) == 3 && alltrue([for each in var.zones : startswith(each, var.region)])
    error_message = "zones names three zones of the region."
  }
}

variable "size" {
  type        = string
  description = "The set of sizes: minimum or recommended, which deploy/k8s/overlays needs; see ../modules/sizes."
  default     = "recommended"

  validation {
    condition     = contains(["minimum", "recommended"], var.size)
    error_message = "size is minimum or recommended."
  }
}

variable "kubernetes_version" {
  type        = string
  description = "Minor version of Kubernetes. It is raised by one at a time."
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(3[4-9]|4[0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version is a minor version from 1.34 on, such as 1.35."
  }
}

variable "network_cidr" {
  type        = string
  description = "Addresses of the network: a /16, of which each private subnet gets a /19 and each public one a /24."
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.network_cidr, 0)) && endswith(var.network_cidr, "/16")
    error_message = "network_cidr is an IPv4 network with /16."
  }
}

variable "domain" {
  type        = string
  description = "The name under which the API is reached."
}

variable "dns_zone" {
  type        = string
  description = "The public zone of Route 53 that the domain is in. It is there already."
}

variable "load_balancer_made" {
  type        = bool
  description = "Whether Kubernetes has made its load balancer. Then the domain is to lead to it."
  default     = false
}

variable "admin_role_arns" {
  type        = list(string)
  description = "Roles of IAM that may administer the cluster. Nobody else can, whoever made it included."

  validation {
    condition     = length(var.admin_role_arns) > 0
    error_message = "admin_role_arns names at least one role: else nobody could reach the cluster."
  }
}

variable "api_server_cidrs" {
  type        = list(string)
  description = "Addresses that may reach Kubernetes' API server from outside. Empty: only the network itself."
  default     = []

  validation {
    condition     = alltrue([for each in var.api_server_cidrs : tonumber(split("/", each)[1]) >= 16])
    error_message = "api_server_cidrs holds networks of /16 or smaller: never the whole internet."
  }
}

variable "gpu_machine" {
  type        = string
  description = "Machine of the nodes that run Ollama: one GPU with 16 GB (T4) or 24 GB (A10G, L4)."
  default     = "g6.xlarge"

  validation {
    condition     = contains(["g4dn.xlarge", "g5.xlarge", "g6.xlarge"], var.gpu_machine)
    error_message = "gpu_machine is g4dn.xlarge, g5.xlarge or g6.xlarge."
  }
}

variable "backup_days" {
  type        = number
  description = "Days for which a backup that was removed can still be brought back; see storage.tf."
  default     = 30

  validation {
    condition     = var.backup_days >= 30
    error_message = "backup_days is 30 or more: backups are kept for 30 days."
  }
}

variable "backup_lock_days" {
  type        = number
  description = "Days for which object lock refuses that a version of a backup's object is removed, by anybody without a right of its own."
  default     = 30

  validation {
    condition     = var.backup_lock_days >= 1 && var.backup_lock_days <= var.backup_days
    error_message = "backup_lock_days is at least 1 and at most backup_days: a locked version cannot expire."
  }
}

variable "backup_copy_region" {
  type        = string
  description = "A second region that gets a copy of every backup. Unset: there is none."
  default     = null
}

variable "blob_days" {
  type        = number
  description = "Days for which a blob that was removed or replaced can still be brought back."
  default     = 7
}

variable "log_days" {
  type        = number
  description = "Days for which the logs of the control plane and of the network are kept."
  default     = 365
}

variable "images" {
  type        = string
  description = "Where the images are, without the name at the end: such as ghcr.io/company/aegis-rag for …/aegis-rag/api."
}

variable "cors_origins" {
  type        = list(string)
  description = "Origins whose pages may call the API from a browser, such as https://app.example.com."
  default     = []
}

variable "deletion_protection" {
  type        = bool
  description = "Whether the cluster and buckets that are not empty refuse to be destroyed."
  default     = true
}
