variable "name" {
  type        = string
  description = "Name of the installation: of the cluster, and the beginning of every other name."
  default     = "aegis"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,9}$", var.name))
    error_message = "name has 3 to 10 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "subscription_id" {
  type        = string
  description = "The subscription that everything is made in."
}

variable "location" {
  type        = string
  description = "A region with three zones, such as westeurope."
}

variable "storage_suffix" {
  type        = string
  description = "What makes the names of the storage accounts and of the key vault unique in all of Azure."

  validation {
    condition     = can(regex("^[a-z0-9]{3,6}$", var.storage_suffix))
    error_message = "storage_suffix has 3 to 6 small letters and digits."
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
  description = "Minor version of Kubernetes. It is raised by one at a time; patches come by themselves."
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(3[4-9]|4[0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version is a minor version from 1.34 on, such as 1.35."
  }
}

variable "network_cidr" {
  type        = string
  description = "Addresses of the network: a /16."
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.network_cidr, 0)) && endswith(var.network_cidr, "/16")
    error_message = "network_cidr is an IPv4 network with /16."
  }
}

variable "domain" {
  type        = string
  description = "The name under which the API is reached. It ends with the name of the zone."

  validation {
    condition     = endswith(var.domain, ".${var.dns_zone}")
    error_message = "domain is a name in dns_zone, such as aegis.example.com in example.com."
  }
}

variable "dns_zone" {
  type        = string
  description = "The public zone of Azure DNS that the domain is in. It is there already."
}

variable "dns_zone_group" {
  type        = string
  description = "The resource group of that zone."
}

variable "admin_group_ids" {
  type        = list(string)
  description = "Groups of Entra ID that may administer the cluster. There is no other account."

  validation {
    condition     = length(var.admin_group_ids) > 0
    error_message = "admin_group_ids names at least one group: else nobody could reach the cluster."
  }
}

variable "api_server_cidrs" {
  type        = list(string)
  description = "Addresses that may reach Kubernetes' API server. Empty: the cluster is private."
  default     = []

  validation {
    condition     = alltrue([for each in var.api_server_cidrs : tonumber(split("/", each)[1]) >= 16])
    error_message = "api_server_cidrs holds networks of /16 or smaller: never the whole internet."
  }
}

variable "gpu_machine" {
  type        = string
  description = "Machine of the nodes that run Ollama: one T4 with 16 GB. NC6s_v3 is retired."
  default     = "Standard_NC4as_T4_v3"

  validation {
    condition     = contains(["Standard_NC4as_T4_v3", "Standard_NC8as_T4_v3", "Standard_NC16as_T4_v3"], var.gpu_machine)
    error_message = "gpu_machine is Standard_NC4as_T4_v3, Standard_NC8as_T4_v3 or Standard_NC16as_T4_v3."
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
  description = "Days for which no version of a backup's object can be removed or changed."
  default     = 30

  validation {
    condition     = var.backup_lock_days >= 1 && var.backup_lock_days <= var.backup_days
    error_message = "backup_lock_days is at least 1 and at most backup_days."
  }
}

variable "backup_lock_state" {
  type        = string
  description = "Unlocked: the lock can be shortened by an owner of the account. Locked: by nobody, for ever."
  default     = "Unlocked"

  validation {
    condition     = contains(["Unlocked", "Locked"], var.backup_lock_state)
    error_message = "backup_lock_state is Unlocked or Locked."
  }
}

variable "blob_days" {
  type        = number
  description = "Days for which a blob that was removed or replaced can still be brought back."
  default     = 7
}

variable "log_days" {
  type        = number
  description = "Days for which the logs of the control plane are kept."
  default     = 90
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
  description = "Whether a lock keeps the storage accounts and the cluster from being destroyed."
  default     = true
}
