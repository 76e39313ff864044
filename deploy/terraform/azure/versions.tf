terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }
  }

  # The state is local until a backend is chosen: see backend.tf.example.
}

provider "azurerm" {
  subscription_id = var.subscription_id

  features {
    key_vault {
      purge_soft_delete_on_destroy = false
    }

    # The accounts are reached from inside of the network alone, so Terraform asks Azure about them, never themselves.
    storage {
      data_plane_available = false
    }

    resource_group {
      prevent_deletion_if_contains_resources = true
    }
  }
}
