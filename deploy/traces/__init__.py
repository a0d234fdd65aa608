"""What a run gave, spike by spike: traces, how they are compared, and how alike two of them are."""
