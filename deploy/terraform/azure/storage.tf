# Two accounts, since BACKUP_URL may be neither inside of BLOB_URL nor around it, and since immutability, copies in
# another region and rights are set for an account.
#
# No rule here may remove or archive a blob that is the current version of its name, whatever its age:
# - A blob is as old as its document, and is read for every restore and reindex.
# - A part of a backup is named by its bytes and stored once. Yesterday's backup names parts that were sent a year
#   ago (docs/decisions/0018-backups.md), and packs of points and sources are taken over from backup to backup
#   (0022, 0043). A rule such as "delete 30 days after creation" would remove live parts from backups that are kept.
# - What is 30 days old is removed by Aegis itself, which knows what is in use: BACKUP_KEEP_DAYS, and the task of
#   BACKUP_PRUNE_SCHEDULE (0021).
#
# How long what was removed is kept. A removal makes the current version a previous one. The rule for versions counts
# from the day a version was written, not from its removal: an old part that is pruned goes at the rule's next run. So the
# days after a removal are those of soft delete, which then holds the version for `backup_days` more, and which the
# pods cannot end.
#
# Immutability is that of versions (policy of the account), not of containers: a container's policy would refuse every
# removal and replacement, and prunes would leave all they find as `locked`. With versions a prune goes through, and the
# version stays for its time.

locals {
  accounts = {
    blobs   = { days = var.blob_days, copies = "ZRS" }
    backups = { days = var.backup_days, copies = "RAGZRS" }
  }

  account_names = { for key in keys(local.accounts) : key => "${replace(var.name, "-", "")}${key}${var.storage_suffix}" }
}

resource "azurerm_storage_account" "this" {
  # checkov:skip=CKV_AZURE_33:There are no queues.
  # checkov:skip=CKV_AZURE_36:No service of Azure has anything to do here; pods come by the private endpoint.
  # checkov:skip=CKV_AZURE_206:The backups are in two regions; the blobs in three zones, and in the backups.
  # checkov:skip=CKV2_AZURE_1:A key of one's own is one more thing to lose all backups with; BACKUP_KEY encrypts them before they are sent.
  # checkov:skip=CKV2_AZURE_33:Each account has one, in network.tf.

  for_each                 = local.accounts
  name                     = local.account_names[each.key]
  location                 = var.location
  resource_group_name      = azurerm_resource_group.this.name
  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = each.value.copies # the backups have a copy in the paired region

  public_network_access_enabled     = false
  allow_nested_items_to_be_public   = false
  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  local_user_enabled                = false
  cross_tenant_replication_enabled  = false
  https_traffic_only_enabled        = true
  min_tls_version                   = "TLS1_2"
  infrastructure_encryption_enabled = true

  blob_properties {
    versioning_enabled = true

    delete_retention_policy {
      days = each.value.days
    }

    container_delete_retention_policy {
      days = each.value.days
    }
  }

  dynamic "immutability_policy" {
    for_each = each.key == "backups" ? [1] : []

    content {
      state                         = var.backup_lock_state
      period_since_creation_in_days = var.backup_lock_days
      allow_protected_append_writes = false
    }
  }

  network_rules {
    default_action = "Deny"
    bypass         = ["None"]
  }
}

resource "azurerm_storage_container" "this" {
  # checkov:skip=CKV2_AZURE_21:Removals are logged, below; a log of each read would be larger than what is read.

  for_each              = local.accounts
  name                  = each.key
  storage_account_id    = azurerm_storage_account.this[each.key].id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "this" {
  for_each           = local.accounts
  storage_account_id = azurerm_storage_account.this[each.key].id

  rule {
    name    = "previous-versions"
    enabled = true

    filters {
      blob_types = ["blockBlob"]
    }

    actions {
      version {
        delete_after_days_since_creation = each.value.days
      }
    }
  }
}

# Who removed what.
resource "azurerm_monitor_diagnostic_setting" "blobs" {
  for_each                   = local.accounts
  name                       = "removals"
  target_resource_id         = "${azurerm_storage_account.this[each.key].id}/blobServices/default"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id

  enabled_log {
    category = "StorageDelete"
  }
}
