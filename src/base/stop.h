// SPDX-License-Identifier: MIT
#pragma once

namespace medaug {

/// SIGINT, SIGTERM: ask to stop; SIGUSR1: ask to save and go on. Handlers only set flags; a system
/// call that waits is not restarted. A second SIGINT at least one second after the first ends the
/// process at once with status 130. SIGPIPE is ignored: a reader that goes away is an error of that
/// write.
void install_stop_signals();
bool stop_requested();
/// True once for each SIGUSR1.
bool take_save_request();
/// SIGHUP: ask a server to load its checkpoint again.
void install_reload_signal();
/// True once after one or more SIGHUP.
bool take_reload_request();
/// For tests and for the server.
void request_stop();
void reset_stop();

}  // namespace medaug
