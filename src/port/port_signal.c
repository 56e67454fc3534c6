#include "port.h"

volatile sig_atomic_t port_interrupted;
