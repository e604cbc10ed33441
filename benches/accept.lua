-- wrk's side of the accept benchmark: one short message after the other, to each account in turn.
-- ACCOUNTS names a file with one account id a line.
local bodies, turn = {}, 0
function init()
  for id in io.lines(os.getenv("ACCOUNTS")) do
    local body = string.format('{"accountId":"%s","to":"77777777777","message":"Your appointment is tomorrow at 9:30"}', id)
    bodies[#bodies + 1] = wrk.format("POST", "/api/messages/send", { ["Content-Type"] = "application/json" }, body)
  end
end
function request()
  turn = turn % #bodies + 1
  return bodies[turn]
end
