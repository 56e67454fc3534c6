-- Mistakes that are none: { the line as it is, as it becomes, why nobody can notice }.
return {
  ["lualib/moonflash/plan.lua"] = {
    { "local SECTOR <const>, PAGE <const>, BLOCK <const> = 0x1000, 0x100, 0x10000",
      "local SECTOR <const>, PAGE <const>, BLOCK <const> = 0x1000, 0x100, 0xffff",
      "below 16 MB no sector's address falls into another block by this" },
    { "local MAX_FLASH <const> = 0x1000000", "local MAX_FLASH <const> = 0x1000001",
      "a size must be whole sectors" },
    { "if part.addr < to and last_of(part) >= from then",
      "if part.addr <= to and last_of(part) >= from then",
      "a part that starts where the range ends leaves the range as it is either way" },
    { [[if math.type(flash_bytes) ~= "integer" or flash_bytes <= 0 or flash_bytes % SECTOR ~= 0]],
      [[if math.type(flash_bytes) ~= "integer" or flash_bytes <= 1 or flash_bytes % SECTOR ~= 0]],
      "1 is not whole sectors" },
    { "for offset = first or 0, last or SECTOR - 1, PAGE do",
      "for offset = first or 0, last or SECTOR - 2, PAGE do", "steps are whole pages" },
    { "add_programs(steps, { boot }, unit, 0, PAGE - 1) -- the header itself: now it boots",
      "add_programs(steps, { boot }, unit, 0, PAGE - 2) -- the header itself: now it boots",
      "steps are whole pages" },
  },
}
