"""What `harness compare` needs: sides, their environments and revisions, and the comparison."""
