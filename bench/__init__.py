"""What measures and shows the product: demo, load test, comparisons. Only its tests import it."""
