mock_provider "google" {
  source = "./tests/mocks"
}

run "rights_of_pods" {
  assert {
    condition = alltrue([
      for each in values(google_storage_bucket_iam_member.pods) :
      can(regex("^principal://iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/my-project.svc.id.goog/subject/ns/aegis-rag/sa/aegis-(api|worker|backup)$", each.member))
    ])
    error_message = "Rights are given to others than the service accounts of deploy/k8s."
  }

  assert {
    condition = alltrue(flatten([
      for each in values(google_project_iam_custom_role.objects) : [for right in each.permissions : startswith(right, "storage.objects.") || startswith(right, "storage.multipartUploads.")]
    ]))
    error_message = "A pod may change the bucket."
  }

  assert {
    condition = (
      toset([for each in values(google_storage_bucket_iam_member.pods) : each.member if each.bucket == "my-project-aegis-backups" && each.role == google_project_iam_custom_role.objects["write"].id])
      == toset([output.identities["aegis-backup"]])
    )
    error_message = "Others than the lane backup may write backups."
  }

  assert {
    condition     = alltrue([for each in values(google_storage_bucket_iam_member.pods) : each.bucket == "my-project-aegis-blobs" if each.member == output.identities["aegis-worker"]])
    error_message = "Workers of other lanes than backup reach the backups."
  }
}
