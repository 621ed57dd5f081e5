"""Tables of a user on the command line: from a file to samples and targets of a network.

``source`` reads the file, ``targets`` finds out what the label is, ``rows`` holds some out,
``problem`` puts it all together for training, ``described`` says it, ``estimator`` writes it into
the model's file, and ``saved`` matches other data with a model.
"""
