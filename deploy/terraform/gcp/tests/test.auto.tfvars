project         = "my-project"
region          = "europe-west4"
zones           = ["europe-west4-a", "europe-west4-b", "europe-west4-c"]
gpu_zones       = ["europe-west4-a", "europe-west4-b"]
domain          = "aegis.example.com"
dns_zone        = "example-com"
backup_location = "EU"
