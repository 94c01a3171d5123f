"""What the `doctor` of both services shares: findings, their report, and addresses as clients meet
them.
"""
