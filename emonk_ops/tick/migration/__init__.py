"""All jobs from one store to another: resumable, counted, compared; never do two stores drive.

    source: nobody drives -> live leases end -> jobs in batches -> both sides counted and summed up
    -> target: drives as the source did

The record of who drives is written in the target last, and only when both sides are equal. What was
interrupted anywhere is run again from the start: what has arrived already is passed over.
"""
