"""Networks: Xception, weights, fine-tuning, model cards."""
