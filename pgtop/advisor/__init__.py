"""From a workload to few indexes. Pure: it asks for costs, and is told them."""
