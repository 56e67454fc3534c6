/* The keyboard for Lua: the terminal on standard input, key by key. */
#include "esp_lua.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define KEYS_TYPE "esp.keyboard"
#define KEYS_MAX 256

/* How the terminal was, for an end in a signal handler, which has no state to ask:
 * the process has one terminal, and so there is one of these. */
static struct termios before_raw;
static volatile sig_atomic_t is_raw;

void esp_terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &before_raw);
}

/* Remembers how the terminal was. Lua's closing of the state restores it, also
 * after an error, because the handle is collected then. */
struct keyboard {
	struct termios before;
	bool raw;
};

static int fail_errno(lua_State *L, const char *what)
{
	luaL_pushfail(L);
	lua_pushfstring(L, "%s: %s", what, strerror(errno));
	lua_pushstring(L, "io");
	return 3;
}

/* esp.keyboard() -> keys | nil, message, code: no echo, no lines, no signals by
 * keys (Ctrl-C is a byte); output is left as it is. Closing restores all. */
static int l_keyboard(lua_State *L)
{
	struct keyboard *k = lua_newuserdatauv(L, sizeof *k, 0);
	struct termios raw;

	k->raw = false;
	luaL_setmetatable(L, KEYS_TYPE);
	if (tcgetattr(STDIN_FILENO, &k->before) < 0)
		return fail_errno(L, "standard input is no terminal");
	raw = k->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON | ISTRIP);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	before_raw = k->before;
	is_raw = 1;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return fail_errno(L, "the terminal's mode cannot be changed");
	k->raw = true;
	return 1;
}

/* keys:read([timeout_ms = 0]) -> bytes ("" when no key was pressed)
 * | nil, message, "gone" when the terminal has hung up */
static int l_read(lua_State *L)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	lua_Integer ms = luaL_optinteger(L, 2, 0);
	char buf[KEYS_MAX];
	ssize_t n;

	luaL_checkudata(L, 1, KEYS_TYPE);
	luaL_argcheck(L, ms >= 0 && ms <= 3600000, 2, "milliseconds out of range");
	if (poll(&p, 1, (int)ms) <= 0) {
		lua_pushliteral(L, "");		/* a signal too: its flag is seen elsewhere */
		return 1;
	}
	n = read(STDIN_FILENO, buf, sizeof buf);
	if (n > 0 || (n == 0 && !(p.revents & POLLHUP)) || (n < 0 && errno == EINTR)) {
		lua_pushlstring(L, buf, n > 0 ? (size_t)n : 0);
		return 1;
	}
	luaL_pushfail(L);
	lua_pushliteral(L, "the terminal has hung up");
	lua_pushliteral(L, "gone");
	return 3;
}

/* keys:close(); closing twice is fine */
static int l_close(lua_State *L)
{
	struct keyboard *k = luaL_checkudata(L, 1, KEYS_TYPE);

	if (k->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &k->before);
	k->raw = false;
	is_raw = 0;
	return 0;
}

static const luaL_Reg methods[] = {
	{ "read", l_read }, { "close", l_close }, { "__gc", l_close }, { "__close", l_close },
	{ NULL, NULL },
};

static const luaL_Reg functions[] = {
	{ "keyboard", l_keyboard }, { NULL, NULL },
};

void esp_open_terminal(lua_State *L)
{
	luaL_newmetatable(L, KEYS_TYPE);
	luaL_setfuncs(L, methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, functions, 0);
}
