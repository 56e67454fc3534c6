-- ELF files for tests, written by the System V ABI's tables for ELF32.
local elf_writer = {}

--- An ELF file.
-- `entry`; `sections` = { { name, addr, data, type = 1, size } } in the file's order,
-- each with a program header too; `machine` = 94 (Xtensa)
function elf_writer.write(t)
  local names, name_at = "\0", {}
  for i, s in ipairs(t.sections) do
    name_at[i] = #names
    names = names .. (s.name or "") .. "\0"
  end
  local own_name = #names
  names = names .. ".shstrtab\0"
  local at, body, programs = 52 + 32 * #t.sections, {}, {}
  local headers = { ("\0"):rep(40) }
  for i, s in ipairs(t.sections) do
    local data = s.data or ""
    headers[#headers + 1] = ("<I4I4I4I4I4I4I4I4I4I4"):pack(name_at[i], s.type or 1, 2, s.addr, at,
      s.size or #data, 0, 0, 4, 0)
    programs[i] = ("<I4I4I4I4I4I4I4I4"):pack(1, at, s.addr, s.addr, #data, s.size or #data, 7, 1)
    body[i], at = data, at + #data
  end
  headers[#headers + 1] = ("<I4I4I4I4I4I4I4I4I4I4"):pack(own_name, 3, 0, 0, at, #names, 0, 0, 1, 0)
  local header = "\x7fELF\1\1\1" .. ("\0"):rep(9) .. ("<I2I2I4I4I4I4I4I2I2I2I2I2I2"):pack(2,
    t.machine or 94, 1, t.entry, 52, at + #names, 0x300, 52, 32, #programs, 40, #headers,
    #headers - 1)
  return header .. table.concat(programs) .. table.concat(body) .. names .. table.concat(headers)
end

return elf_writer
