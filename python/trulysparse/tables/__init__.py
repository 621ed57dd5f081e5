"""Tables as they are: what each column of a frame becomes, learnt once and kept with the model.

Read first ``encoder``, the `TableEncoder`; then ``columns``, which reads the columns of any frame
in three forms, and ``parts``, what is learnt of each form.
"""
