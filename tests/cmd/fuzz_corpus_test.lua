-- Every input that fuzzing ever stumbled over, and a sound one of each kind, goes
-- through its reader again, and then what comes of them in a second or two. `make
-- fuzz` looks longer.
package.path = "tests/cmd/?.lua;" .. package.path
local harness = require "harness"
local lu = require "luaunit"

TestFuzzCorpus = {}

function TestFuzzCorpus:test_no_reader_stumbles_over_what_was_found_before()
  local build = assert(os.getenv "MOONFLASH_BUILD" or harness.program:match "^(.*)/")
  local out, err, code = harness.shell(("FUZZ_SECONDS=2 BUILD=%s sh tests/fuzz/run.sh replay"):format(
    harness.quote(build)))
  lu.assertEquals(code, 0, out .. err)
  lu.assertStrMatches(out, "1%.%.%d+\n.*ok %d+ %- words.*")
  lu.assertNotStrContains(out, "not ok")
end

os.exit(lu.LuaUnit.run())
