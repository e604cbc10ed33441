"""The integration guide's Python example, against the server given as the first argument."""

import sys
import time

import requests

API_URL = sys.argv[1]

response = requests.post(f"{API_URL}/api/accounts", json={"name": "Python Client", "useLimits": False})
account = response.json()
account_id = account["id"]

qr_link = f"{API_URL}/qr/{account_id}"
assert requests.get(qr_link).status_code == 200
# The client opens the link, and the page starts the pairing.
requests.post(f"{qr_link}/start").raise_for_status()

deadline = time.monotonic() + 30
while True:
    account = requests.get(f"{API_URL}/api/accounts/{account_id}").json()
    status = account["clientStatus"]
    if status == "CONNECTED":
        assert account["phoneNumber"].startswith("+"), account
        break
    assert time.monotonic() < deadline, status
    time.sleep(1)

sent = requests.post(
    f"{API_URL}/api/messages/send",
    json={"accountId": account_id, "to": "77777777777", "message": "Hello from Python!"},
).json()
assert sent["success"] and sent["queued"] and sent["messageId"].startswith("msg_"), sent
while True:
    message = requests.get(f"{API_URL}/api/messages/{sent['messageId']}").json()
    if message["status"] in ("sent", "delivered", "read"):
        break
    assert time.monotonic() < deadline, message
    time.sleep(0.2)
