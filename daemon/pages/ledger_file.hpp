// The ledger on disk: one small file that is replaced as a whole, in a directory locked by one
// process. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "pages/ledger.hpp"

namespace flowrelay::pages {

class LedgerFile {
public:
    /// Reads the file. Throws std::runtime_error if another process uses the directory or the file
    /// is damaged; a damaged file is never replaced by an empty one.
    explicit LedgerFile(const std::string& directory);

    /// Calls `look` with the ledger. `look` must not call this object.
    void read(const std::function<void(const Ledger&)>& look) const;

    /// Calls `change` to change the ledger, and stores the result durably. If `change` returns
    /// false, the ledger stays as it was. Error: storing failed, and the change was undone.
    Result<void> change(const std::function<bool(Ledger&)>& change);

    /// Returns the names of the sources whose invitations were in use when the last process ended.
    const std::vector<std::string>& interrupted() const noexcept { return interrupted_; }

private:
    mutable std::mutex mutex_;
    std::unique_ptr<storage::FileSystem> files_;
    std::shared_ptr<void> lock_;
    std::string path_;
    Ledger ledger_;
    std::vector<std::string> interrupted_;
};

}  // namespace flowrelay::pages
