"""What measures and shows the product: the demo, the load test, the comparisons. Nothing imports it but its tests."""
