"""A Grafana dashboard over the Prometheus metrics: `python -m observability.grafana > tutti.json`."""
