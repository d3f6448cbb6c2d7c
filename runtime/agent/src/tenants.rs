//! Waiting for Nova, for those who poll or look only once.

use std::time::Duration;

use nova::TenantMetadata;

/// How often it is looked whether Nova has answered.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until the servers of every host were listed, or that failed: each request has its own timeout, so this ends.
pub(crate) async fn listed(tenants: &TenantMetadata) {
    let waits = || tenants.health().iter().any(|host| host.last_success.is_none() && host.trouble.is_none());
    while waits() {
        tokio::time::sleep(LOOK).await;
    }
}
