"""A job's way from waiting to its end, and the workers whose leases it hangs on."""
