"""What is sent, and when: pure, seeded and clock-free workloads of synthetic lines."""
