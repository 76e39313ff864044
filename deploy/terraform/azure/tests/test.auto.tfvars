subscription_id = "00000000-0000-0000-0000-000000000000"
location        = "westeurope"
domain          = "aegis.example.com"
dns_zone        = "example.com"
dns_zone_group  = "dns"
storage_suffix  = "x7k2"
admin_group_ids = ["00000000-0000-0000-0000-000000000001"]
