-- Boards behind a network: `moonflash share`, TLS, ser2net.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

local HELLO <const> = "examples/hello/hello.bin"

TestRemote = {}

function TestRemote:setUp()
  self.dir = harness.directory()
  self.pids = {}
end

function TestRemote:tearDown()
  for _, pid in ipairs(self.pids) do os.execute("kill " .. pid .. " 2>/dev/null") end
  harness.remove(self.dir)
end

-- Starts a program in the background; returns the file its output goes to.
function TestRemote:start(words)
  local out = ("%s/out%d"):format(self.dir, #self.pids + 1)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = harness.quote(word) end
  os.execute(("timeout 60 %s >%s 2>&1 & echo $! >%s/pid"):format(table.concat(quoted, " "), out,
    self.dir))
  self.pids[#self.pids + 1] = harness.read(self.dir .. "/pid"):match "%d+"
  return out
end

-- Waits until a file says what a pattern finds, by default for 5 s.
local function wait_for(path, pattern, seconds)
  for _ = 1, (seconds or 5) * 20 do
    local there, text = pcall(harness.read, path)
    local found = there and text:match(pattern)
    if found then return found end
    os.execute "sleep 0.05"
  end
  error(("%s never said %s but: %s"):format(path, pattern, harness.read(path)))
end

function TestRemote:share(...)
  local port = ("sim:%s/board.flash?size=1M&pace=real"):format(self.dir)
  local out = self:start { harness.program, "share", port, "0", "--seconds", "30", ... }
  return wait_for(out, "is shared at (rfc2217s?://%S+)"), out
end

local function has(program)
  return os.execute(("command -v %s >/dev/null 2>&1"):format(program)) == true
end

function TestRemote:has_hello()
  local flash = harness.read(self.dir .. "/board.flash")
  local hello = harness.read(HELLO)
  return flash:sub(5, #hello) == hello:sub(5)      -- the header's size is patched
end

function TestRemote:test_a_shared_board_is_reset_and_flashed_from_elsewhere()
  local url, out = self:share()
  local said, err, code = harness.run("-p", url, "write", "0x0", HELLO, "--listen", "1")
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(said, "hello from moonflash")
  lu.assertStrContains(said, "ok: 384 bytes verified")
  os.execute("kill -INT " .. self.pids[1])
  wait_for(out, "ok: no longer shared")
  lu.assertTrue(self:has_hello())
end

function TestRemote:test_a_second_user_is_turned_away()
  local url = self:share()
  self:start { harness.program, "-p", url, "--after", "none", "monitor", "--seconds", "20" }
  os.execute "sleep 0.5"
  local _, err, code = harness.run("-p", url, "info", "--chip")
  lu.assertEquals(code, 3, err)
end

function TestRemote:test_a_port_that_goes_away_ends_the_sharing_with_its_error()
  local port = ("sim:%s/board.flash?size=1M&pace=real&unplug=2000"):format(self.dir)
  local out = self:start { harness.program, "share", port, "0", "--seconds", "30" }
  local url = wait_for(out, "is shared at (rfc2217://%S+)")
  harness.run("-p", url, "info", "--chip")
  lu.assertStrContains(wait_for(out, "(moonflash: [^\n]*)"), "sim:")
end

function TestRemote:test_tls_proves_the_server_by_the_ca_and_asks_for_a_client_certificate()
  if not has "openssl" then lu.skip "openssl is not installed" end
  local make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s -keyout %s/%s.key"
    .. " -out %s/%s.pem"
  for _, name in ipairs { "lab", "stranger" } do
    local _, err, code = harness.shell(make:format(name, self.dir, name, self.dir, name))
    lu.assertEquals(code, 0, err)
  end
  local function file(name) return self.dir .. "/" .. name end
  local url = self:share("--cert", file "lab.pem", "--key", file "lab.key", "--ca", file "lab.pem")
  lu.assertStrContains(url, "rfc2217s://")
  local function info(options)
    local _, err, code = harness.run("-p", url .. options, "info", "--chip")
    return code, err
  end
  local me = ("&cert=%s&key=%s"):format(file "lab.pem", file "lab.key")
  lu.assertEquals((info("?ca=" .. file "lab.pem" .. me)), 0)
  local code, err = info("?ca=" .. file "stranger.pem" .. me)
  lu.assertEquals(code, 3, err)
  lu.assertStrContains(err, "ca=FILE")
  lu.assertEquals((info("?ca=" .. file "lab.pem" .. ("&cert=%s&key=%s"):format(file "stranger.pem",
    file "stranger.key"))), 3)
  lu.assertEquals((info("?ca=" .. file "lab.pem")), 3)
end

function TestRemote:test_a_board_behind_ser2net_is_flashed()
  if not has "ser2net" and not has "/usr/sbin/ser2net" then lu.skip "ser2net is not installed" end
  local link, conf = self.dir .. "/tty", self.dir .. "/ser2net.yaml"
  self:start { harness.program, "-q", "sim",
    self.dir .. "/board.flash?size=1M&wiring=none&strap=1", "--pty", link, "--seconds", "40" }
  for _ = 1, 100 do
    if require "lfs".symlinkattributes(link) then break end
    os.execute "sleep 0.05"
  end
  local tcp = 20000 + math.random(20000)
  harness.write(conf, ("connection: &board\n  accepter: telnet(rfc2217),tcp,127.0.0.1,%d\n"
    .. "  connector: serialdev,%s,115200n81,local\n"):format(tcp, link))
  self:start { "env", "PATH=" .. os.getenv "PATH" .. ":/usr/sbin", "ser2net", "-n", "-c", conf }
  os.execute "sleep 0.5"
  local out, err, code = harness.run("-p", "rfc2217://127.0.0.1:" .. tcp, "--before", "none",
    "write", "0x0", HELLO)
  lu.assertEquals(code, 0, err)
  lu.assertStrContains(out, "ok: 384 bytes verified")
  os.execute("kill " .. self.pids[1])
  os.execute "sleep 0.3"
  lu.assertTrue(self:has_hello())
end

-- ---- servers that are none ----

-- One connection is taken; its end is waited for. What it says, by the first argument:
-- nothing; a byte a second; consent to RFC 2217 and no answer to any question; answers
-- to so many questions, and then none.
local SERVER <const> = [[
use IO::Socket::INET;
my ($kind, $most) = @ARGV;
$| = 1;
my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $!;
print "port ", $s->sockport, "\n";
my $c = $s->accept;
$c->autoflush(1);
$SIG{PIPE} = "IGNORE";
if ($kind eq "drips") { print $c "\xff\xfb" and sleep 1 for 1 .. 30 }
print $c "\xff\xfb\x2c\xff\xfd\x2c\xff\xfb\x00\xff\xfd\x00" if $kind eq "agrees";
my $heard = "";
while (sysread $c, $heard, 4096, length $heard) {
  while ($kind eq "agrees" and $heard =~ s/\xff\xfa\x2c(.)(.*?)\xff\xf0//s) {
    print $c "\xff\xfa\x2c", chr(100 + ord $1), $2, "\xff\xf0" if $most-- > 0;
  }
}
]]

function TestRemote:test_a_server_that_does_not_answer_is_exit_4_within_10_seconds()
  local script = self.dir .. "/server.pl"
  harness.write(script, SERVER)
  local runs = {}
  for i, row in ipairs { { "silent", 0 }, { "drips", 0 }, { "agrees", 0 }, { "agrees", 2 },
    { "agrees", 5 } } do
    local out = self:start { "perl", script, row[1], row[2] }
    local port = "rfc2217://127.0.0.1:" .. wait_for(out, "port (%d+)")
    runs[i] = { port = port, what = row[1] .. " " .. row[2], out = self:start { "sh", "-c",
      's=$(date +%s); "$1" -p "$2" info; echo "exit $? after $(($(date +%s) - s))"', "sh",
      harness.program, port } }
  end
  for _, run in ipairs(runs) do
    local code = wait_for(run.out, "exit (%d+)", 30)
    local said = harness.read(run.out)
    lu.assertEquals(code, "4", run.what .. ": " .. said)
    lu.assertTrue(tonumber(said:match "after (%d+)") <= 10, run.what .. ": " .. said)
    lu.assertStrContains(said, run.port)
    lu.assertStrContains(said, "\nhint: ")
  end
end

function TestRemote:test_no_server_at_all_is_exit_3()
  local out = self:start { "perl", "-MIO::Socket::INET", "-e",
    'print "port ", IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport, "\n"' }
  local free = wait_for(out, "port (%d+)")
  for _, host in ipairs { "127.0.0.1:" .. free, "no-such-host.invalid:4000" } do
    local _, err, code = harness.run("-p", "rfc2217://" .. host, "info")
    lu.assertEquals(code, 3, err)
  end
end

function TestRemote:test_wrong_words_are_refused_before_a_port_is_opened()
  local port = "sim:" .. self.dir .. "/board.flash"
  for _, words in ipairs { { "share", port, "host" }, { "share", port, "0", "--cert", "x" },
    { "share", port, "0", "--ca", "x" }, { "share", port, "0", "--seconds", "x" } } do
    local _, err, code = harness.run(table.unpack(words))
    lu.assertEquals(code, 2, err)
  end
  for _, url in ipairs { "rfc2217://h:1?ca=x", "rfc2217s://h:1?cert=x", "rfc2217s://h:1?ca=a,b",
    "rfc2217://h:1?user=me", "rfc2217s://:1", "rfc2217s://h:1?nonsense" } do
    local _, err, code = harness.run("-p", url, "info")
    lu.assertEquals(code, 2, url .. ": " .. err)
  end
end

os.exit(lu.LuaUnit.run())
