//! Makes a whole chat system of one ChatbotDeployment and keeps it alive.
