"""What is shown of the quickstart's views: panels, links, Prometheus console, Grafana dashboard, rules and alerts."""
