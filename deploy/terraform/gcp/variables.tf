variable "name" {
  type        = string
  description = "Name of the installation: of the cluster, and the beginning of every other name."
  default     = "aegis"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,15}$", var.name))
    error_message = "name has 3 to 16 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "project" {
  type        = string
  description = "The project that everything is made in."
}

variable "region" {
  type        = string
  description = "The region of the network, the cluster and the blobs."
}

variable "zones" {
  type        = list(string)
  description = "Three zones of the region."

  validation {
    condition     = length(distinct(var.zones)) == 3 && alltrue([for each in var.zones : startswith(each, var.region)])
    error_message = "zones names three zones of the region."
  }
}

variable "gpu_zones" {
  type        = list(string)
  description = "Two of these zones, which have the GPU. One is enough for the minimum."

  validation {
    condition     = length(setsubtract(var.gpu_zones, var.zones)) == 0 && length(distinct(var.gpu_zones)) >= (var.size == "minimum" ? 1 : 2)
    error_message = "gpu_zones names two of the zones, one with size = minimum."
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
  description = "Minor version of Kubernetes, at least. The release channel raises it in the maintenance window."
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(3[4-9]|4[0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version is a minor version from 1.34 on, such as 1.35."
  }
}

variable "domain" {
  type        = string
  description = "The name under which the API is reached."
}

variable "dns_zone" {
  type        = string
  description = "The name of the public zone of Cloud DNS that the domain is in. It is there already."
}

variable "api_server_cidrs" {
  type        = list(string)
  description = "Addresses that may reach Kubernetes' API server. Empty: only the network itself."
  default     = []

  validation {
    condition     = alltrue([for each in var.api_server_cidrs : tonumber(split("/", each)[1]) >= 16])
    error_message = "api_server_cidrs holds networks of /16 or smaller: never the whole internet."
  }
}

variable "gpu_machine" {
  type        = string
  description = "Machine of the nodes that run Ollama: g2-standard-4 with an L4 (24 GB), or n1-standard-8 with a T4 (16 GB)."
  default     = "g2-standard-4"

  validation {
    condition     = contains(["g2-standard-4", "n1-standard-8"], var.gpu_machine)
    error_message = "gpu_machine is g2-standard-4 or n1-standard-8."
  }
}

variable "backup_location" {
  type        = string
  description = "Where the backups are: another region, or a multi-region such as EU or US."

  validation {
    condition     = lower(var.backup_location) != lower(var.region)
    error_message = "backup_location is another place than the region, so that both are not lost at once."
  }
}

variable "backup_days" {
  type        = number
  description = "Days for which a backup that was removed can still be brought back; see storage.tf."
  default     = 30

  validation {
    condition     = var.backup_days >= 30 && var.backup_days <= 90
    error_message = "backup_days is 30 to 90: backups are kept for 30 days, and soft delete for 90 at most."
  }
}

variable "backup_lock_days" {
  type        = number
  description = "Days for which nothing in the bucket of backups can be removed or replaced. 0: no retention, but versions; see storage.tf."
  default     = 0

  validation {
    condition     = var.backup_lock_days >= 0 && var.backup_lock_days <= 30
    error_message = "backup_lock_days is 0 to 30: a prune removes what is older."
  }
}

variable "blob_days" {
  type        = number
  description = "Days for which a blob that was removed or replaced can still be brought back."
  default     = 7

  validation {
    condition     = var.blob_days >= 7 && var.blob_days <= 90
    error_message = "blob_days is 7 to 90: soft delete knows no others."
  }
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
