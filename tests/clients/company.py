"""A company by `requests`: register, a key, a session, a message and its answer. Argument: a server
that asks for credentials."""

import sys
import time

import requests

API_URL = sys.argv[1]

registered = requests.post(
    f"{API_URL}/api/auth/register",
    json={"companyName": "Клиника", "email": "admin@python.example", "password": "correct horse battery"},
)
assert registered.status_code == 201, registered.text
admin = requests.Session()
admin.headers["Authorization"] = f"Bearer {registered.json()['token']}"

key = admin.post(f"{API_URL}/api/api-keys", json={"name": "CRM", "scope": "send"}).json()["key"]
program = requests.Session()
program.headers["X-API-Key"] = key

session = admin.post(
    f"{API_URL}/api/whatsapp/sessions",
    json={
        "displayName": "Main",
        "useLimits": False,
        "config": {"scanAfterMs": 100, "latencyMs": [0, 0], "receiptsMs": [20, 40], "answerMs": [20, 40]},
    },
).json()["data"]["sessionId"]
assert program.post(f"{API_URL}/api/whatsapp/sessions", json={}).status_code == 403

sent = program.post(
    f"{API_URL}/api/whatsapp/send",
    json={"phone": "+996 (700) 123-456", "message": "Ваш приём завтра в десять"},
    headers={"Prefer": "wait=20", "Idempotency-Key": "appointment-4711"},
)
assert sent.status_code == 200, sent.text
assert sent.json()["data"]["accountId"] == session

deadline = time.monotonic() + 20
while True:
    chats = program.get(f"{API_URL}/api/whatsapp/sessions/{session}/chats").json()
    if chats["data"] and chats["data"][0]["unreadCount"] == 1:
        break
    assert time.monotonic() < deadline, chats
    time.sleep(0.1)
chat = chats["data"][0]["id"]
messages = program.get(f"{API_URL}/api/whatsapp/sessions/{session}/chats/{chat}/messages").json()
assert [message["fromMe"] for message in messages["data"]] == [False, True], messages
stats = admin.get(f"{API_URL}/api/whatsapp/stats").json()["data"]
assert (stats["messages"]["sent"], stats["messages"]["received"]) == (1, 1), stats

# A browser's way: the cookie, and the page it comes from.
browser = requests.Session()
browser.post(f"{API_URL}/api/auth/login", json={"email": "admin@python.example", "password": "correct horse battery"})
assert browser.get(f"{API_URL}/api/auth/me").json()["user"]["role"] == "admin"
assert browser.post(f"{API_URL}/api/accounts", json={"name": "x"}).status_code == 403
from_page = {"Origin": API_URL}
assert browser.post(f"{API_URL}/api/auth/logout", headers=from_page).status_code == 200
assert browser.get(f"{API_URL}/api/auth/me").status_code == 401
