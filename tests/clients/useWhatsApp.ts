// The hook of the session guide, as it is printed there but for the host.
import { useEffect, useState } from 'react';
import io, { Socket } from 'socket.io-client';

export const useWhatsApp = () => {
  const [socket, setSocket] = useState<Socket | null>(null);
  const [messages, setMessages] = useState<Message[]>([]);
  const [sessions, setSessions] = useState<Session[]>([]);

  useEffect(() => {
    const newSocket = io(HOST);
    
    newSocket.on('whatsapp:new-message', (data) => {
      setMessages(prev => [...prev, data.message]);
    });
    
    newSocket.on('whatsapp:session-connected', (data) => {
      setSessions(prev => prev.map(session =>
        session.id === data.sessionId
          ? { ...session, isConnected: true, phoneNumber: data.phoneNumber }
          : session
      ));
    });
    
    setSocket(newSocket);
    
    return () => newSocket.close();
  }, []);

  const sendMessage = async (sessionId: string, chatId: string, message: string) => {
    const response = await fetch(`/api/whatsapp/sessions/${sessionId}/chats/${chatId}/messages`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        'Authorization': `Bearer ${token}`
      },
      body: JSON.stringify({ message, type: 'text' })
    });
    
    return response.json();
  };

  return { socket, messages, sessions, sendMessage };
};
