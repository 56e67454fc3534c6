/* esp_lua.h - the module `esp` for Lua: what its files share.
 *
 * Layer: lua. Bindings only: check arguments, call C, push. Misuse raises a Lua
 * error; when the world says no the functions return nil, message, code, where
 * code is a stable lower-case word of esp_err.c.
 */
#ifndef ESP_LUA_H
#define ESP_LUA_H

#include "../esp_err.h"
#include "../port/port.h"

#include <lauxlib.h>
#include <lua.h>

#define ESP_PORT_TYPE "esp.port"
#define ESP_ROM_TYPE "esp.rom"
#define ESP_STUB_TYPE "esp.stub"
#define ESP_SIM_TYPE "esp.sim"
#define ESP_SERVERS_TYPE "esp.servers"

/* require "esp" */
int luaopen_esp(lua_State *L);

/* Pushes nil, text, word; returns 3. */
int esp_push_fail(lua_State *L, const struct esp_error *e);

/* Pushes true and returns 1 when rc >= 0, else esp_push_fail(). */
int esp_push_ok(lua_State *L, int rc, const struct esp_error *e);

/* The port at stack index i, which must be open. */
struct port *esp_check_port(lua_State *L, int i);

/* An unsigned 32-bit number at stack index i; raises when out of range. */
uint32_t esp_check_u32(lua_State *L, int i);

/* Each file adds its functions to the module table on the top of the stack. */
void esp_open_port(lua_State *L);
void esp_open_rom(lua_State *L);
void esp_open_rom_raw(lua_State *L);	/* after esp_open_rom() */
void esp_open_stub(lua_State *L);
void esp_open_stub_flash(lua_State *L);	/* after esp_open_stub() */
void esp_open_sim(lua_State *L);
void esp_open_bytes(lua_State *L);
void esp_open_system(lua_State *L);
void esp_open_terminal(lua_State *L);
void esp_open_confine(lua_State *L);	/* with the next three */
void esp_open_folder(lua_State *L);
void esp_open_memory(lua_State *L);
void esp_open_exec(lua_State *L);

/* Gives the terminal back as it was before esp.keyboard(); for signal handlers. */
void esp_terminal_restore(void);
void esp_open_process(lua_State *L);

#endif
