"""The service graph: which workload calls which, its JSON form, and how names are written."""
