# What deploy/k8s/overlays/aws needs; docs/deploy/aws.md says where each one goes.

locals {
  urls = { for key in ["blobs", "backups"] : key => "s3://${local.buckets[key].name}/${key}" }
}

output "cluster_name" {
  description = "For `aws eks update-kubeconfig --name`."
  value       = aws_eks_cluster.this.name
}

output "cluster_endpoint" {
  description = "The address of Kubernetes' API server."
  value       = aws_eks_cluster.this.endpoint
}

output "region" {
  description = "AWS_REGION of the API and the workers."
  value       = var.region
}

output "blob_url" {
  description = "BLOB_URL."
  value       = local.urls.blobs
}

output "backup_url" {
  description = "BACKUP_URL."
  value       = local.urls.backups
}

output "role_arns" {
  description = "Roles of the service accounts aegis-api, aegis-worker and aegis-backup. EKS binds them; nothing is annotated."
  value       = { for key in keys(local.bucket_rights) : local.pod_roles[key].account => aws_iam_role.pods[key].arn }
}

output "storage_class" {
  description = "The storage class of Qdrant, Ollama and Redis, which deploy/k8s/overlays/aws makes of ebs.csi.aws.com and gp3."
  value       = "gp3"
}

output "certificate_arn" {
  description = "The certificate that the Ingress names."
  value       = aws_acm_certificate_validation.this.certificate_arn
}

output "network_id" {
  description = "vpcId of the AWS Load Balancer Controller."
  value       = aws_vpc.this.id
}

output "network_cidr" {
  description = "For TRUSTED_PROXIES: the load balancer's addresses are in it."
  value       = var.network_cidr
}

output "capacity" {
  description = "Cores, memory and GPU memory of all nodes at the start."
  value = {
    for figure in ["cores", "memory_gb", "gpu_gb"] :
    figure => sum([for each in values(module.sizes.groups) : each.nodes * local.hardware[local.machines[each.pool]][figure]])
  }
}

output "kustomization" {
  description = "A kustomization.yaml of one's own over deploy/k8s/overlays/aws, with everything that Terraform knows."
  value = templatefile("${path.module}/kustomization.yaml.tftpl", {
    images       = var.images
    cors_origins = var.cors_origins
    domain       = var.domain
    region       = var.region
    blob_url     = local.urls.blobs
    backup_url   = local.urls.backups
    proxies      = aws_subnet.public[*].cidr_block
    certificate  = aws_acm_certificate_validation.this.certificate_arn
  })
}
