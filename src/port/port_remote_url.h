/* port_remote_url.h - what the URL of a port behind an RFC 2217 server says.
 *
 * Layer: port, private to it.
 *
 *   rfc2217://HOST:PORT[?OPTION&...]	plain TCP
 *   rfc2217s://HOST:PORT[?OPTION&...]	TLS
 *
 * Options: timeout=SECONDS (connection, negotiation, each answer); user=NAME
 * (with the password that the environment's MOONFLASH_PASSWORD holds; gensio's
 * certauth, as ser2net has it); and with TLS ca=FILE (whom to believe; default
 * the system's), cert=FILE and key=FILE (who we are).
 */
#ifndef PORT_REMOTE_URL_H
#define PORT_REMOTE_URL_H

#include "port.h"

#define REMOTE_STACK_MAX 1024

struct remote_url {
	bool tls;
	uint32_t timeout_ms;
	char host[PORT_NAME_MAX], port[8];
	char ca[PORT_NAME_MAX], cert[PORT_NAME_MAX], key[PORT_NAME_MAX], user[PORT_NAME_MAX];
};

/* Understands p->name, whose part behind "://" is rest. ESP_E_ARGUMENT. */
int remote_url_parse(struct port *p, struct remote_url *url, const char *rest)
	__attribute__((warn_unused_result));

/* Writes the description that gensio makes a connection of (gensio(5)).
 * ESP_E_ARGUMENT when a password is wanted and the environment has none. */
int remote_url_stack(struct port *p, const struct remote_url *url, char *buf, size_t cap)
	__attribute__((warn_unused_result));

#endif
