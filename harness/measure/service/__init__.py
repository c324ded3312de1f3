"""The processes of `harness overhead loop`: an asyncio service that records metrics, and the sender of its requests.

Both are fresh processes that answer commands in JSON, and import as little as what is measured allows.
"""
