// What the command line says.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace flowrelay::devserver {

struct Options {
    std::string listen = "127.0.0.1:0";
    std::string tls_cert;  ///< a file; empty: plain HTTP
    std::string tls_key;
    std::string port_file;
    std::string journal;
    bool show = false;
    int status = 202;  ///< of the answer to a valid message
    std::chrono::milliseconds delay{0};
    std::size_t max_received = 10000;
    bool fast = false;  ///< do not look into the bodies
};

}  // namespace flowrelay::devserver
