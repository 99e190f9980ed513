// The options of the command line.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace flowrelay::devserver {

struct Options {
    std::string listen = "127.0.0.1:0";
    std::string tls_cert;  ///< a file; empty: plain HTTP
    std::string tls_key;
    std::string port_file;
    std::string journal;
    bool show = false;
    int status = 202;  ///< status of the answer to a valid message
    std::chrono::milliseconds delay{0};
    /// The only registered application.
    std::string client_id = "devserver";
    std::string client_secret = "devserver-secret";
    std::vector<std::string> redirect_uris{"urn:ietf:wg:oauth:2.0:oob"};
    std::chrono::milliseconds code_lifetime = std::chrono::minutes(10);
    std::size_t max_received = 10000;
    bool fast = false;  ///< do not check bodies
};

}  // namespace flowrelay::devserver
