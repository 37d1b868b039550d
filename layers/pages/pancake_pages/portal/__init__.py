"""The portal: what one customer has, uses and pays, and what the customer may do about it."""
