terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50.0, < 8.0.0" # 7.45 documents every argument that is used here
    }
  }

  # The state is local until a backend is chosen: see backend.tf.example.
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = { application = "aegis-rag", installation = var.name }
}
