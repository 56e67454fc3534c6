#include "port_remote_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 5000u	/* connection and negotiation; each answer */
#define TIMEOUT_MAX_MS 60000u
#define PASSWORD_VARIABLE "MOONFLASH_PASSWORD"

static int parse_timeout(struct port *p, struct remote_url *url, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds > 0 && seconds * 1000 <= TIMEOUT_MAX_MS))
		return esp_fail(&p->err, ESP_E_ARGUMENT,
				"%s: timeout must be more than 0 and at most %u seconds", p->name,
				TIMEOUT_MAX_MS / 1000);
	url->timeout_ms = (uint32_t)(seconds * 1000 + 0.5);
	return 0;
}

/* Only what names, addresses and paths consist of: the library reads a string
 * in which commas, brackets and quotes have a meaning. */
static bool is_plain(const char *s, const char *also)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(also, *s))
			return false;
	return true;
}

static int take_text(struct port *p, char *to, const char *name, const char *value)
{
	if (!is_plain(value, "/._-+@~"))
		return esp_fail(&p->err, ESP_E_ARGUMENT,
				"%s: %s may hold letters, digits and / . _ - + @ ~ only", p->name,
				name);
	snprintf(to, PORT_NAME_MAX, "%s", value);
	return 0;
}

static int parse_option(struct port *p, struct remote_url *url, char *option)
{
	struct { const char *name; char *to; bool tls; } texts[] = {
		{ "ca", url->ca, true }, { "cert", url->cert, true }, { "key", url->key, true },
		{ "user", url->user, false },
	};
	char *value = strchr(option, '=');

	if (value) {
		*value++ = '\0';
		if (strcmp(option, "timeout") == 0)
			return parse_timeout(p, url, value);
		for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
			if (strcmp(option, texts[i].name) == 0 && (url->tls || !texts[i].tls))
				return take_text(p, texts[i].to, option, value);
	}
	return esp_fail(&p->err, ESP_E_ARGUMENT, "%s: unknown option \"%s\" (there are "
			"timeout=SECONDS, user=NAME, and for rfc2217s:// ca, cert, key=FILE)",
			p->name, option);
}

static int parse_options(struct port *p, struct remote_url *url, char *options)
{
	char *save = NULL;
	int rc = 0;

	for (char *o = strtok_r(options, "&", &save); o && rc == 0; o = strtok_r(NULL, "&", &save))
		rc = parse_option(p, url, o);
	return rc;
}

static bool is_port_number(const char *s)
{
	char *end;
	unsigned long n = isdigit((unsigned char)*s) ? strtoul(s, &end, 10) : 0;

	return n > 0 && n < 65536 && *end == '\0';
}

/* "host:4000" or "[::1]:4000" */
static int parse_place(struct port *p, struct remote_url *url, char *host)
{
	size_t n = strlen(host);
	char *colon;

	if (n > 0 && host[n - 1] == '/')
		host[n - 1] = '\0';
	colon = strrchr(host, ':');
	if (colon)
		*colon = '\0';
	n = strlen(host);
	if (colon && n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		host++;
	}
	if (!colon || !is_plain(host, ".-_:%") || !is_port_number(colon + 1))
		return esp_fail(&p->err, ESP_E_ARGUMENT, "%s: wanted rfc2217%s://HOST:PORT", p->name,
				url->tls ? "s" : "");
	snprintf(url->host, sizeof url->host, "%s", host);
	snprintf(url->port, sizeof url->port, "%s", colon + 1);
	return 0;
}

int remote_url_parse(struct port *p, struct remote_url *url, const char *rest)
{
	char text[PORT_NAME_MAX];
	char *options;
	int rc;

	memset(url, 0, sizeof *url);
	url->tls = strncmp(p->name, "rfc2217s:", 9) == 0;
	url->timeout_ms = TIMEOUT_MS;
	snprintf(text, sizeof text, "%s", rest);
	options = strchr(text, '?');
	if (options)
		*options++ = '\0';
	rc = parse_place(p, url, text);
	if (rc == 0 && options)
		rc = parse_options(p, url, options);
	if (rc == 0 && !url->cert[0] != !url->key[0])
		rc = esp_fail(&p->err, ESP_E_ARGUMENT, "%s: cert and key go together", p->name);
	return rc;
}

/* Appends to what is in buf already. */
static void append(char *buf, size_t cap, const char *before, const char *text)
{
	size_t n = strlen(buf);

	snprintf(buf + n, cap - n, "%s%s", before, text);
}

static int append_login(struct port *p, const struct remote_url *url, char *buf, size_t cap)
{
	const char *password = getenv(PASSWORD_VARIABLE);

	if (!password || !is_plain(password, "!#$%&*+-./:;<=>?@^_{|}~"))
		return esp_fail(&p->err, ESP_E_ARGUMENT, password ? "%s: " PASSWORD_VARIABLE
				" is empty or holds a blank, comma, bracket, quote or backslash" :
				"%s: user= needs the password in " PASSWORD_VARIABLE, p->name);
	append(buf, cap, "certauth(enable-password=true,username=", url->user);
	append(buf, cap, ",password=", password);
	append(buf, cap, "),", "");
	return 0;
}

static void append_tls(const struct remote_url *url, char *buf, size_t cap)
{
	append(buf, cap, "ssl(", "");
	if (url->ca[0])
		append(buf, cap, "CA=", url->ca);
	if (url->cert[0]) {
		append(buf, cap, url->ca[0] ? ",cert=" : "cert=", url->cert);
		append(buf, cap, ",key=", url->key);
	}
	append(buf, cap, "),", "");
}

int remote_url_stack(struct port *p, const struct remote_url *url, char *buf, size_t cap)
{
	int rc = 0;

	snprintf(buf, cap, "telnet(rfc2217=true),");
	if (url->user[0])
		rc = append_login(p, url, buf, cap);
	if (url->tls)
		append_tls(url, buf, cap);
	append(buf, cap, "tcp(nodelay=true),", url->host);
	append(buf, cap, ",", url->port);
	if (rc == 0 && strlen(buf) + 1 >= cap)
		rc = esp_fail(&p->err, ESP_E_ARGUMENT, "%s: too long", p->name);
	return rc;
}
