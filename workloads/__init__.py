"""What is sent, and when: pure, seeded workloads of synthetic lines, without a clock."""
