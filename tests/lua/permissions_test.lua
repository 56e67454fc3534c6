-- Names below a folder, looked up by the system and step by step; what permissions make
-- of them; the lock.
local esp = require "esp"
local lfs = require "lfs"
local lock = require "moonflash.lock"
local lu = require "luaunit"
local permissions = require "moonflash.permissions"

local function write(path, bytes)
  local f <close> = assert(io.open(path, "wb"))
  assert(f:write(bytes))
end

local function read(path)
  local f <close> = io.open(path, "rb")
  return f and f:read("a")
end

local function make_tree(self)
  self.dir = os.tmpname()
  os.remove(self.dir)
  for _, d in ipairs { "", "/p", "/p/sub", "/p/sub/deep", "/p/.hidden", "/other" } do
    assert(lfs.mkdir(self.dir .. d))
  end
  write(self.dir .. "/p/a", "A")
  write(self.dir .. "/p/sub/b", "B")
  write(self.dir .. "/p/.hidden/h", "H")
  write(self.dir .. "/other/o", "O")
  local function link(to, name) assert(lfs.link(to, self.dir .. "/" .. name, true)) end
  link("../other", "p/out")
  link("../other/o", "p/file")
  link("sub", "p/inside")
  link("a", "p/alias")
  link("loop", "p/loop")
  link(self.dir .. "/p/a", "p/absolute")
end

local function remove_tree(self) os.execute("rm -rf '" .. self.dir .. "'") end

-- ---- folders ----

TestFolder = { setUp = make_tree, tearDown = remove_tree }

local function both(self, act)
  for _, how in ipairs { "system", "walk" } do
    local folder <close> = assert(esp.folder(self.dir .. "/p", how))
    act(folder, how)
  end
end

function TestFolder:test_names_below_are_found()
  both(self, function(f, how)
    for path, want in pairs { a = "A", ["./a"] = "A", ["sub/b"] = "B", ["sub//b"] = "B", ["sub/../a"] = "A",
      ["sub/deep/../b"] = "B" } do
      lu.assertEquals(f:read(path, 10), want, how .. " " .. path)
    end
    lu.assertEquals({ f:kind "sub" }, { "directory", select(2, f:kind "sub") })
    lu.assertEquals({ f:kind "a" }, { "file", 1 })
    lu.assertEquals(f:kind ".", "directory")
  end)
end

function TestFolder:test_nothing_leads_out()
  both(self, function(f, how)
    for _, path in ipairs { "..", "../other/o", "sub/../../other/o", "out/o", "out", "file", "/etc/passwd", "absolute",
      "loop", "../p/a", "sub/../../p/a", "/" } do
      for _, method in ipairs { "read", "names", "kind" } do
        local value, _, word = f[method](f, path, 10)
        -- a link itself may be looked at as one, never what it leads to
        lu.assertNil(value, ("%s %s %s"):format(how, method, path))
        lu.assertEquals(word, "outside", ("%s %s %s"):format(how, method, path))
      end
    end
  end)
end

function TestFolder:test_links_that_stay_below_are_followed_by_the_system_only()
  local system, walk = assert(esp.folder(self.dir .. "/p")), assert(esp.folder(self.dir .. "/p", "walk"))
  local probe = system:read("alias", 10)
  if probe then lu.assertEquals(system:read("inside/b", 10), "B") end
  lu.assertEquals(select(3, walk:read("alias", 10)), "outside")
  lu.assertEquals(select(3, walk:read("inside/b", 10)), "outside")
end

function TestFolder:test_up_from_a_link_is_refused_by_the_system_and_by_its_letters_the_folder_itself()
  local system, walk = assert(esp.folder(self.dir .. "/p")), assert(esp.folder(self.dir .. "/p", "walk"))
  lu.assertEquals(walk:read("out/../a", 10), "A")
  if system:read("alias", 10) then lu.assertEquals(select(3, system:read("out/../a", 10)), "outside") end
end

function TestFolder:test_what_is_no_file_is_said_to_be_none()
  both(self, function(f)
    lu.assertEquals(select(3, f:read("sub", 10)), "kind")
    lu.assertEquals(select(3, f:read("none", 10)), "absent")
    lu.assertEquals(select(3, f:read("a/b", 10)), f:read("alias", 1) and "absent" or "outside")
    lu.assertError(f.read, f, "a\0b", 10)
  end)
end

function TestFolder:test_a_long_file_is_cut_one_byte_behind_the_limit()
  write(self.dir .. "/p/long", ("x"):rep(200000))
  both(self, function(f)
    lu.assertEquals(#f:read("long", 100), 101)
    lu.assertEquals(#f:read("long", 200000), 200000)
    lu.assertEquals(#f:read("long", 199999), 200000)
  end)
end

function TestFolder:test_writing_makes_folders_and_replaces_whole_files()
  both(self, function(f, how)
    lu.assertTrue(f:write("new/" .. how .. "/x", "1"))
    lu.assertTrue(f:write("new/" .. how .. "/x", "22"))
    lu.assertTrue(f:append("new/" .. how .. "/x", "3"))
    lu.assertTrue(f:append("new/" .. how .. "/y", "4"))
    lu.assertEquals(read(self.dir .. "/p/new/" .. how .. "/x"), "223")
    lu.assertEquals(read(self.dir .. "/p/new/" .. how .. "/y"), "4")
    lu.assertNil(read(self.dir .. "/p/new/" .. how .. "/x.part"))
  end)
end

function TestFolder:test_writing_leads_nowhere_else()
  both(self, function(f, how)
    for _, path in ipairs { "../x", "out/x", "out/new/x", "/x", "sub/../../x" } do
      for _, method in ipairs { "write", "append" } do
        local ok, _, word = f[method](f, path, "bad")
        lu.assertNil(ok, how .. path)
        lu.assertEquals(word, "outside", how .. path)
      end
    end
    lu.assertEquals(select(3, f:append("file", "bad")), "outside")
    lu.assertTrue(f:write("file", "mine"))       -- the link is replaced
    lu.assertEquals(read(self.dir .. "/other/o"), "O")
    os.remove(self.dir .. "/p/file")
    assert(lfs.link("../other/o", self.dir .. "/p/file", true))
  end)
  lu.assertEquals(read(self.dir .. "/other/o"), "O")
end

-- Names of random pieces: whatever they are, only files of the folder come.
function TestFolder:test_random_names_never_lead_out()
  local seed = math.tointeger(tonumber(os.getenv "SEED")) or os.time()
  print("# SEED=" .. seed)
  math.randomseed(seed)
  local pieces = { "..", ".", "sub", "deep", "out", "inside", "a", "b", "o", "other", "p", "", "alias", "file",
    "absolute", "loop" }
  both(self, function(f, how)
    for _ = 1, 4000 do
      local parts = {}
      for i = 1, math.random(1, 7) do parts[i] = pieces[math.random(#pieces)] end
      local path = table.concat(parts, "/")
      local bytes = f:read(path, 10)
      lu.assertTrue(bytes == nil or bytes == "A" or bytes == "B", how .. " " .. path)
    end
  end)
end

-- ---- permissions ----

TestPermissions = { setUp = make_tree, tearDown = remove_tree }

function TestPermissions:new(...)
  return permissions.new { folder = self.dir .. "/p/", allow = { ... }, port = "/dev/ttyUSB7" }
end

local function refused(flag, f, ...)
  local ok, e = pcall(f, ...)
  lu.assertFalse(ok)
  lu.assertEquals(e.code, "refused_by_policy", tostring(e))
  lu.assertStrContains(e.hint or "", flag)
end

function TestPermissions:test_every_refusal_names_its_flag()
  local p = self:new()
  refused("--allow=read=" .. self.dir .. "/other", p.read, p, "../other/o")
  refused("--allow=read=" .. self.dir .. "/p/.hidden", p.read, p, ".hidden/h")
  refused("--allow=read=/etc", p.read, p, "/etc/passwd")
  refused("--allow=write=" .. self.dir .. "/p/sub", p.write, p, "sub/x", "y")
  refused("--allow=write=", p.append, p, "x", "y")
  refused("--allow=write=", p.may_write, p, "x")
  refused("--allow=env=HOME", p.env, p, "HOME")
  refused("--allow=exec", p.exec, p, { "true" })
  refused("--allow=ports", p.port, p, "/dev/ttyUSB8")
  refused("--allow=net", p.port, p, "rfc2217://host:4000")
end

function TestPermissions:test_what_may_be_done_is_done()
  local p = self:new("read=" .. self.dir .. "/other", "write=" .. self.dir .. "/p/sub,exec", "env=NOT_SET_HERE")
  lu.assertEquals(p:read "../other/o", "O")
  lu.assertEquals(p:read "file", "O")
  lu.assertEquals(p:read(self.dir .. "/p/a"), "A")
  p:write("sub/new/x", "1")
  p:append("sub/new/x", "2")
  lu.assertEquals(p:read "sub/new/x", "12")
  lu.assertNil(p:env "NOT_SET_HERE")
  lu.assertEquals({ p:exec { "printf", "%s|%s", "a b", "$HOME" } }, { 0, "a b|$HOME" })
  lu.assertEquals((p:exec { "sh", "-c", "exit 4" }), 4)
  p:port "/dev/ttyUSB7"
  for _, name in ipairs { "sim:", "sim:?size=1M&mac=60:01:94:00:00:01" } do p:port(name) end
end

function TestPermissions:test_simulated_chips_that_read_files_are_other_ports()
  local p = self:new()
  for _, name in ipairs { "sim:x.flash", "sim:/etc/passwd?size=1M", "sim:?rom=x", "sim:?size=1M&rom=x",
    "sim:?%72om=x", "sim:?faults=x", "sim:x?", "tcp:x", "" } do
    refused("--allow=", p.port, p, name)
  end
end

function TestPermissions:test_lists_are_sorted_and_without_hidden_names()
  os.remove(self.dir .. "/p/out")
  os.remove(self.dir .. "/p/file")
  os.remove(self.dir .. "/p/loop")
  os.remove(self.dir .. "/p/absolute")
  os.remove(self.dir .. "/p/alias")
  os.remove(self.dir .. "/p/inside")
  lu.assertEquals(self:new():list ".", { { name = "a", kind = "file", size = 1 },
    { name = "sub", kind = "directory", size = lfs.attributes(self.dir .. "/p/sub", "size") } })
end

function TestPermissions:test_a_list_with_a_link_that_leads_out_is_refused()
  local p = self:new()
  refused("--allow=read=", p.list, p, ".")
end

function TestPermissions:test_what_was_read_is_noted_once_by_its_clean_name()
  local p = self:new()
  for _, name in ipairs { "a", "./a", ".//a", "sub/b", "sub/./b" } do p:read(name) end
  p:list "sub/"
  lu.assertEquals(p:used(), { { path = "a", sha256 = esp.sha256 "A" },
    { path = "sub/", sha256 = esp.sha256 "file b\ndirectory deep\n" },
    { path = "sub/b", sha256 = esp.sha256 "B" } })
end

function TestPermissions:test_built_in_files_need_no_permission_and_no_lock()
  local p = self:new()
  lu.assertEquals(#p:read "builtin:init-data", 128)
  lu.assertEquals(p:used(), {})
end

function TestPermissions:test_boards_are_told_only_what_reaches_no_file()
  local p = self:new()
  lu.assertEquals(p:board { size = "1M", flip = 0.001, protect = true }, { size = "1M", flip = 0.001,
    protect = true })
  lu.assertEquals(p:board(nil), {})
  refused("--allow=all", p.board, p, { rom = "x" })
  refused("--allow=all", p.board, p, { faults = "x" })
  refused("--allow=all", p.board, p, { size = "1M&rom=x" })
  refused("--allow=all", p.board, p, { seed = "1?" })
  lu.assertFalse(pcall(p.board, p, { ["size=1M&rom"] = "x" }))
end

function TestPermissions:test_trusted_ones_refuse_nothing()
  local p = permissions.trusted(self.dir .. "/p/")
  lu.assertEquals(p:read "../other/o", "O")
  lu.assertEquals(p:read ".hidden/h", "H")
  p:write("../other/new", "N")
  p:append("../other/new", "M")
  lu.assertEquals(read(self.dir .. "/other/new"), "NM")
  lu.assertEquals(#p:list "../other", 2)
  p:port "/dev/ttyUSB8"
end

-- ---- the lock ----

TestLock = { setUp = make_tree, tearDown = remove_tree }

local HEX <const> = ("0123456789abcdef"):rep(4)

function TestLock:test_its_text_is_sorted_and_comes_back()
  local sections = { ["b.lua"] = { z = HEX, a = HEX, ["lua/"] = HEX }, ["a.lua"] = { ["a.lua"] = HEX } }
  local text = lock.format(sections)
  lu.assertEquals(text:match("\n(.*)"), ([[
return {
  ["a.lua"] = {
    ["a.lua"] = "%s",
  },
  ["b.lua"] = {
    ["a"] = "%s",
    ["lua/"] = "%s",
    ["z"] = "%s",
  },
}
]]):format(HEX, HEX, HEX, HEX))
  lu.assertEquals(lock.parse(text), sections)
end

function TestLock:test_any_name_comes_back()
  local sections = { ['a"]\n = {%00'] = { ['"\\\1\127%41 ü'] = HEX } }
  lu.assertEquals(lock.parse(lock.format(sections)), sections)
end

function TestLock:test_what_is_no_lock_is_refused_with_its_line()
  for _, text in ipairs { "hello\n", "return {\n  os.exit()\n}\n", 'return {\n  ["a"] = {\n    ["b"] = "12",\n',
    '<<<<<<< HEAD\n', 'return {\n    ["b"] = "' .. HEX .. '",\n}\n' } do
    local ok, e = pcall(lock.parse, text)
    lu.assertFalse(ok, text)
    lu.assertEquals(e.code, "file")
    lu.assertStrMatches(e.message, "moonflash.lock:%d: .*")
  end
end

function TestLock:locked(...)
  local p = permissions.new { folder = self.dir .. "/p/", allow = { ... } }
  lock.apply(p, self.dir .. "/p/a")
  return p
end

function TestLock:test_it_holds_what_was_used_and_refuses_anything_else()
  for _, name in ipairs { "out", "file", "loop", "absolute", "inside", "alias" } do os.remove(self.dir .. "/p/" .. name) end
  local p = permissions.new { folder = self.dir .. "/p/" }
  p:pin("a", p:read "a")
  p:list "sub"
  p:read "sub/b"
  lu.assertEquals({ lock.write(p, self.dir .. "/p/a") }, { 3, true })
  lu.assertEquals({ lock.write(p, self.dir .. "/p/a") }, { 3, false })
  p = self:locked()
  lu.assertEquals(p:read "sub/b", "B")
  write(self.dir .. "/p/later", "x")
  refused("moonflash lock", p.read, p, "later")
  local function differs(what)
    local ok, e = pcall(self.locked, self)
    lu.assertFalse(ok)
    lu.assertEquals(e.code, "refused_by_policy")
    lu.assertStrContains(e.message, what)
  end
  write(self.dir .. "/p/sub/b", "changed")
  differs "sub/b is not what moonflash.lock says"
  os.remove(self.dir .. "/p/sub/b")
  differs "sub/"
  write(self.dir .. "/p/sub/b", "B")
  write(self.dir .. "/p/sub/new", "")
  differs "sub/ is not what"
  os.remove(self.dir .. "/p/sub/new")
  self:locked()
  os.remove(self.dir .. "/p/a")
  differs "a is in"
end

function TestLock:test_without_a_lock_and_without_its_section_it_is_refused()
  local ok, e = pcall(self.locked, self)
  lu.assertFalse(ok)
  lu.assertStrContains(e.message, "there is no")
  write(self.dir .. "/p/moonflash.lock", lock.format { other = { other = HEX } })
  ok, e = pcall(self.locked, self)
  lu.assertFalse(ok)
  lu.assertStrContains(e.message, "says nothing of a")
end

os.exit(lu.LuaUnit.run())
