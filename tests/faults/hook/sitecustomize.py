"""Found by every Python process of a control's cell: takes the safeguards out before anything runs."""

import os

if os.environ.get("FAULTS_WITHOUT"):
    from tests.faults.sabotage import take_out

    take_out(os.environ["FAULTS_WITHOUT"].split(","))
