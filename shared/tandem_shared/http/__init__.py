"""HTTP for both services: routes, requests and answers, health probes, transfers within bounds."""
