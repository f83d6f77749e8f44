"""What happens to studies and trials, for those who want to hear of it: a feed and webhooks."""
