import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// The server that `npm run dev` talks to; the shipped app is served by it and needs no proxy.
const server = process.env['MINGTANG_DEV_SERVER'] ?? 'http://127.0.0.1:7880';

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    manifest: true,
    chunkSizeWarningLimit: 1600,
    rolldownOptions: {
      output: {
        // Small shared parts compress better together, and everybody needs them anyway.
        codeSplitting: {
          groups: [
            {
              name: 'base',
              test: /src\/(api|lib|ui)\/(?!Attendance|Timeline|timeline|csv|film|library)|node_modules\/(@tanstack|wouter|regexparam|use-sync-external-store)\//,
            },
            { name: 'call', test: /src\/call\/|node_modules\/@?livekit/ },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/api': server,
      '/healthz': server,
      '/rtc': { target: server, ws: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    retry: 0,
  },
});
