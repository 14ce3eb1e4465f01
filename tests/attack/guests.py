"""placeholder"""


def attack(found, folder, seed, deadline, say):
    return {}
