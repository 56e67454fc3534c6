-- Completion: what the program offers, and that the shells take it.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestComplete = {}

function TestComplete:setUp()
  self.dir = harness.directory()
end

function TestComplete:tearDown()
  harness.remove(self.dir)
end

local function offered(...)
  local out, err, code = harness.run("complete", "--", ...)
  lu.assertEquals(code, 0, err)
  local list = {}
  for line in out:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

function TestComplete:test_commands_and_files_come_first()
  lu.assertEquals(offered "unpro", { ":files", "unprotect" })
  lu.assertEquals(offered("-b", "115200", "unpro"), { ":files", "unprotect" })
end

function TestComplete:test_every_command_is_offered()
  local list = offered ""
  local all = {}
  for _, word in ipairs(list) do all[word] = true end
  for file in require "lfs".dir "scripts" do
    local name = file:match "^(.+)%.lua$"
    if name then lu.assertTrue(all[name], name) end
  end
end

function TestComplete:test_options_of_the_command_and_global_ones()
  lu.assertEquals(offered("write", "--mo"), { "--mode" })
  lu.assertEquals(offered("write", "--no"), { "--no-stub" })
end

function TestComplete:test_values_of_options()
  lu.assertEquals(offered("write", "--mode", "di"), { "dio" })
  lu.assertEquals(offered("--after", "s"), { "stay" })
  lu.assertEquals(offered("-p", "sim"), { "sim:" })
  lu.assertEquals(offered("map", "--svg", "x"), { ":files" })
end

function TestComplete:test_arguments_are_files_and_the_words_that_a_command_knows()
  lu.assertEquals(offered("write", "0x0", ""), { ":files" })
  lu.assertEquals(offered("erase", "sp"), { ":files", "spiffs" })
end

function TestComplete:test_commands_of_a_command_are_offered()
  lu.assertEquals(offered("image", ""), { ":files", "convert", "from-elf", "info", "merge", "split" })
  lu.assertEquals(offered("lfs", "re"), { ":files", "relocate" })
  lu.assertEquals(offered("ledger", "y"), { ":files", "yield" })
end

function TestComplete:test_nothing_is_offered_for_what_is_not_known_and_nothing_fails()
  lu.assertEquals(offered("nonsense", "--x"), {})
  lu.assertEquals(offered("--nonsense", "--qui"), { "--quiet" })
end

function TestComplete:test_bash_completes_commands_and_ports_with_colons()
  local script = self.dir .. "/c.bash"
  local text = harness.run("complete", "bash")
  harness.write(script, text .. ([[
    try() { COMP_LINE="$1" COMP_POINT=${#1}; _moonflash; printf '%%s\n' "${COMPREPLY[@]}"; }
    try '%s unpro'; try '%s -p sim'; try '%s -p sim:'; try '%s write --mode di'
  ]]):gsub("%%s unpro", harness.program .. " unpro"):gsub("%%s %-", harness.program .. " -")
    :gsub("%%s write", harness.program .. " write"):gsub("%%%%", "%%"))
  local out, err, code = harness.shell("cd " .. self.dir .. " && bash " .. script)
  lu.assertEquals(code, 0, err)
  lu.assertEquals(out, "unprotect\nsim:\n\ndio\n")
end

function TestComplete:test_zsh_and_fish_accept_theirs()
  for _, shell in ipairs { "zsh", "fish" } do
    local text = harness.run("complete", shell)
    harness.write(self.dir .. "/c", text)
    if os.execute(("command -v %s >/dev/null"):format(shell)) then
      local _, err, code = harness.shell(("%s -n %s/c"):format(shell, self.dir))
      lu.assertEquals(code, 0, err)
    else
      lu.assertStrContains(text, "complete -- ")
    end
  end
end

function TestComplete:test_an_unknown_shell_is_refused()
  local _, err, code = harness.run("complete", "csh")
  lu.assertEquals(code, 2, err)
end

os.exit(lu.LuaUnit.run())
