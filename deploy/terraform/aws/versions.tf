terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
  }

  # The state is local until a backend is chosen: see backend.tf.example.
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { application = "aegis-rag", installation = var.name }
  }
}
