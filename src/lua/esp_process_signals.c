/* Signals that are asked for, not thrown in, for Lua: esp.process.signals. */
#include "esp_process.h"
#include "esp_lua.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* esp.process.signals() -> signals | nil, message, code: from now on SIGINT,
 * SIGTERM and SIGHUP wait to be taken; closing gives them back. */
static int l_signals(lua_State *L)
{
	struct esp_process_fd *s = lua_newuserdatauv(L, sizeof *s, 0);
	sigset_t set;

	s->fd = -1;
	luaL_setmetatable(L, ESP_SIGNALS_TYPE);
	esp_process_caught(&set);
	s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0)
		return esp_process_fail(L, "signalfd", errno);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return 1;
}

/* signals:take() -> number of the next one, or nothing */
static int l_take(lua_State *L)
{
	struct esp_process_fd *s = luaL_checkudata(L, 1, ESP_SIGNALS_TYPE);
	struct signalfd_siginfo info;

	if (s->fd < 0 || read(s->fd, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	lua_pushinteger(L, info.ssi_signo);
	return 1;
}

static int l_signals_close(lua_State *L)
{
	struct esp_process_fd *s = luaL_checkudata(L, 1, ESP_SIGNALS_TYPE);
	sigset_t set;

	if (s->fd < 0)
		return 0;
	esp_process_close_fd(&s->fd);
	esp_process_caught(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 0;
}

static const luaL_Reg signals_methods[] = {
	{ "take", l_take }, { "close", l_signals_close }, { "__gc", l_signals_close },
	{ "__close", l_signals_close }, { NULL, NULL },
};

static const luaL_Reg functions[] = { { "signals", l_signals }, { NULL, NULL } };

void esp_process_open_signals(lua_State *L)
{
	esp_process_type(L, ESP_SIGNALS_TYPE, signals_methods);
	luaL_setfuncs(L, functions, 0);
}
