#include "cli/access_options.hpp"

namespace flowrelay::cli {

void add_access_options(Command command, AccessOptions& options) {
    command
        .add_option("--access-token-file", options.token_file,
                    "The file (mode 0600) with an OAuth access token of a user in the flow,\n"
                    "instead of asking the server for one; - reads it from stdin")
        .type_name("FILE")
        .not_empty();
    command
        .add_option("--config", options.config,
                    "The configuration, which says where the API is (" + options.config + ")")
        .type_name("FILE");
    command.add_flag("--no-browser", options.no_browser, "Only print the address, open no browser");
    command
        .add_option("--wait", options.wait_seconds,
                    "Maximum wait for the permission in the browser (900)")
        .between(1, 86400)
        .type_name("SECONDS");
}

}  // namespace flowrelay::cli
